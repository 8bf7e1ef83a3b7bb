"""Trust anchors in the supervisor: RFC 5011 kept going, stored, told to the workers, and commanded over the control API."""
