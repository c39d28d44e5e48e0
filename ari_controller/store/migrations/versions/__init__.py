"""One file per schema revision, oldest first; a released one is never changed."""
