"""PDF through pdfium: pages, their layout, tables, notes, locks and the files in them."""
