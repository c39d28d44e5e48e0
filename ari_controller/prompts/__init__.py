"""Builds the sound files of notices and prompts from their texts, and the tones; offline, by hand.

The daemon never imports this room: what is played on a call was built and committed before.
"""
