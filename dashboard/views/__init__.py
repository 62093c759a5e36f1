"""The views, a file each: from the address by way of the service's answers to what is drawn."""
