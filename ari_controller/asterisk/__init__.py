"""Asterisk's two doors as typed clients: ARI (events and REST) and AMI (MixMonitor).

errors        what can go wrong, sorted by what the caller may conclude
reconnect     the loop that both clients live in: back-off, jitter, one report per change
ari_events    ARI's JSON to frozen structs
ari_rest      the REST calls we make, typed, over any transport
ari_http      REST over HTTP
ari_ws        REST over the events WebSocket
ari           the client: WebSocket, event filter, reconnecting
ami_guard     panoramisk with its doors shut: nothing but allowed, checked actions leaves
ami           the client: MixMonitor and what reconciling needs
"""
