"""What both chains use."""
