"""What runs inside the isolation: the fork-server and its children. Standard library only."""
