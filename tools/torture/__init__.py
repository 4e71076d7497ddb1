"""What a nervous user would run: gradstep under conditions that it should never meet all at once."""
