"""What goes on record in the operations database, one module of record kinds a concern, and the store that keeps them."""
