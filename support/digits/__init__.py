"""What was added to the MNIST post."""
