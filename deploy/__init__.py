"""Starting and stopping a node: folders, certificate, queue server, supervisor."""
