"""Countenance shown at work: portraits of public officials, enrolled and found again through boto3."""
