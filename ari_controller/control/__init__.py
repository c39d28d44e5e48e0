"""The control socket: HTTP on a Unix socket, for the commands and the rescue process.

errors     what can come of asking the daemon
port       what the daemon puts behind the socket
listening  the socket itself: modes, stale and live ones
server     the endpoints
client     the other end of them
sd_notify  what systemd is told
"""
