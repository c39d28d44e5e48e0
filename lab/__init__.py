"""A private Asterisk and scripted SIP phones, for the demo and the tests."""
