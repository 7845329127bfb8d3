"""What a change would do, in words: for a preview, for a pull request, for a guard and for drift.

Everything is read from the JSON that `pulumi preview --json` and `pulumi refresh --preview-only --json`
write, so it judges programs of anybody. Nothing here talks to a cluster or to Azure.
"""
