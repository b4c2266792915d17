"""What runs inside supervisord. Standard library and supervisor only: supervisord stays small."""
