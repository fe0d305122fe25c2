"""Numbers to pictures, pages and words: one look, one page maker. Computes no metric of its own."""
