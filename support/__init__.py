"""What the posts do not show: everything that makes their scripts pleasant and safe to run."""
