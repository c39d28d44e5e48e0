#!/bin/bash
# Unpack a private, current Asterisk without root: apt-get only downloads, dpkg-deb only unpacks.
# usage: asterisk-setup.sh DIR [SUITE]     SUITE: a Debian suite that has asterisk (default sid)
# The tree is DIR/root. A second call returns at once; callers in parallel wait for the first.
# The mirror is the one that this machine's own apt sources name, or DEBIAN_MIRROR.
set -euo pipefail
fail() { echo "asterisk-setup: $*" >&2; exit 1; }

dir=$(realpath -m "${1:?usage: asterisk-setup.sh DIR [SUITE]}"); suite=${2:-sid}
partial=$dir.partial; stamp=$dir/suite
done_before() {
  [ -e "$stamp" ] || return 1
  [ "$(cat "$stamp")" = "$suite" ] || fail "$dir holds the Asterisk of $(cat "$stamp"), not of $suite: remove it or name another directory"
}
if done_before; then exit 0; fi

for tool in apt-get dpkg-deb dpkg flock; do
  command -v $tool >/dev/null || fail "$tool is missing: run this on Debian, or point AC_ASTERISK_ROOT at a tree made on one"
done
[ "$(dpkg --print-architecture)" = amd64 ] || fail "this machine is $(dpkg --print-architecture), the tree is for amd64: use an amd64 machine or container"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keyring ] || fail "$keyring is missing: install the package debian-archive-keyring"
mkdir -p "$(dirname "$dir")" || fail "cannot write to $(dirname "$dir"): name another directory"

exec 9>"$dir.lock"
flock -w 600 9 || fail "another run has held $dir.lock for 10 minutes: end it and try again"
if done_before; then exit 0; fi
[ ! -e "$dir" ] || rmdir "$dir" 2>/dev/null || fail "$dir exists and is no finished Asterisk tree: remove it or name another directory"

mirror=${DEBIAN_MIRROR:-}
if [ -z "$mirror" ]; then  # what apt knows; on a machine whose lists are still empty, its sources files
  mirror=$( { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages'
              sed -nE 's/^(URIs:|deb (\[[^]]*\] )?) *([^ ]+).*/\3/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list
            } 2>/dev/null | grep -m1 -E '/debian/?$' || true)
fi
[ -n "$mirror" ] || fail "no Debian mirror in this machine's apt sources: set DEBIAN_MIRROR to one"

rm -rf "$partial"
mkdir -p "$partial"/root "$partial"/apt/{lists,archives}/partial
apt=$partial/apt; log=$dir.log; : > "$log"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$apt/sources.list"; : > "$apt/status"
cat > "$apt/apt.conf" <<C
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status"; Dir::Cache "$apt"; Dir::Cache::archives "$apt/archives";
APT::Install-Recommends "false"; APT::Sandbox::User ""; APT::Update::Error-Mode "any"; Debug::NoLocking "1";
Acquire::Languages "none"; Acquire::Retries "2";
C
export APT_CONFIG=$apt/apt.conf
apt-get -q update >>"$log" 2>&1 \
  || fail "the Debian mirror $mirror cannot be read for $suite (see $log): check the network and proxy, or set DEBIAN_MIRROR"
apt-get -q -y --download-only install asterisk asterisk-core-sounds-en-wav libc6 >>"$log" 2>&1 \
  || fail "Asterisk's packages cannot be downloaded from $mirror (see $log): check the network and free disk space"
for deb in "$apt"/archives/*.deb; do
  case $deb in */apt_*|*/dpkg_*|*/perl*|*/systemd_*|*/debconf*) continue;; esac  # nothing runs them
  dpkg-deb -x "$deb" "$partial/root" 2>>"$log" || fail "$(basename "$deb") cannot be unpacked (see $log): check free disk space"
done
rm -rf "$apt"
echo "$suite" > "$partial/suite"
mv -T "$partial" "$dir"
rm -f "$log"
