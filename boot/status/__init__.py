"""`doorito status`: how each program of the stack that runs here is."""
