"""From Asterisk's wav pairs on the spool to verified stereo files in the archive.

spool     the folder Asterisk writes into; nothing in it is trusted
wav       the header of one wav file: closed, open, or left by a crash
track     the samples of one wav file
join      segments on the wall clock, left = customer, right = agent
checks    marks: empty, silent, one side silent, short, repaired
sidecar   the JSON beside each recording, and the same facts as tags
flac      the one place that speaks to libsndfile
seal      spool files to one FLAC file; runs in the worker process
worker    the worker process: low priority, and numpy stays out of the daemon
archive   date folders; a recording is complete when its sidecar is there
verify    reads an archived recording again and tells what is wrong with it
removals  which spool files may go, written down so that a crash forgets none
sealer    the loop: pending recordings in, sealed recordings out, again after any failure
"""
