"""The append itself: operands into a problem, the plan, the bound launch, the one call."""
