"""A first look at a retailer's files: what `nightcart init` understands of them."""
