"""What is tested: sequences, test conditions, and selections of their points."""
