"""What a user was promised, through the commands that a user runs."""
