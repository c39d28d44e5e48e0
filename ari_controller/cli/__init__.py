"""The commands. One file per group; each is imported only when it is used.

main     the group, its options, and the one place where an error becomes an exit code
exits    the exit codes
doors    what commands open: configuration, store, control socket
output   tables for people, JSON for programs
"""
