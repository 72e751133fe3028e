"""Programs written turn by turn: specifications, sessions, the loop and the store."""
