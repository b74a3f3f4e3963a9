"""Word processors, presentations, sheets and books, new formats and old."""
