// Filled in with the next commits.
