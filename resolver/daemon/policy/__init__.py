"""Local policy in the supervisor: zones of rules fetched, stored, built and handed to the workers."""
