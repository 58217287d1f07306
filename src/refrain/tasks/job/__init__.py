"""What all jobs share: their options, their model file, and who reads it."""
