extension DependencyGraph {
    /// What a node is called: the path of a program's script or executable, a file's path,
    /// `tcp:10.0.0.9:5432`, `unix:/run/app.sock`, `pipe:` for one without a name.
    public func name(of node: NodeID) -> [UInt8] { self[node].shownText }

    /// Paths of what moves of a host, each once, in bytewise order: its files, and what its programs are made
    /// of. Paths that name no place in the host's tree are left out.
    public func paths(of uses: HostUses) -> [[UInt8]] {
        var paths: Set<[UInt8]> = []
        for node in uses.files + uses.entries { paths.insert(withText(node) { Array($0) }) }
        for node in uses.programs {
            guard case .program(let name) = self[node] else { continue }
            paths.insert(name.executable)
            paths.insert(name.script)
        }
        return paths.filter { $0.first == UInt8(ascii: "/") && !$0.contains(0) && !KernelPath.isPseudo($0) }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }
}
