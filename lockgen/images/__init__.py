"""Building, verifying and inspecting images, and wheelhouses for offline builds."""
