"""What the administrator wrote, checked whole before any socket opens."""
