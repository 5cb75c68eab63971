import Records

/// Folded records: one for a program and a folder, where the paths below were too many to be kept one by one.
///
/// A folded record stands for every path at or below its folder. So the program gets an edge, inferred, to each such path
/// that another program has a record of: who writes the folder binds who reads a path in it, and the other way round. The
/// folder itself is a node as well, a file whose path ends with a slash, for what is folded by several programs and for
/// what has to be copied.
struct FoldedFolders {
    /// A folder and the programs that have a folded record of it.
    private struct Folder {
        let node: UInt32
        var users: [(program: UInt32, access: Access, detail: EdgeDetail)] = []
    }

    private struct Place: Hashable {
        let host: HostID
        /// Without the slash at its end; of the root nothing.
        let path: [UInt8]
    }

    private var folders: [Place: Folder] = [:]
    /// Beyond so many edges between programs and paths below their folders, every user of a path below is taken for one
    /// of the folder instead: more may join then, and never less.
    private let most: Int

    init(most: Int = 1 << 24) { self.most = most }

    var isEmpty: Bool { folders.isEmpty }

    /// Whether a file's path is that of a folded folder.
    static func isFolded(_ path: [UInt8]) -> Bool { path.count > 1 && path.last == UInt8(ascii: "/") }

    /// The path of the node that stands for a folder.
    static func nodePath(_ folder: [UInt8]) -> [UInt8] {
        // That of the root has one more than the root.
        trimmed(folder).isEmpty ? Array("//".utf8) : trimmed(folder) + [UInt8(ascii: "/")]
    }

    private static func trimmed(_ path: some Collection<UInt8>) -> [UInt8] {
        var path = Array(path)
        while path.last == UInt8(ascii: "/") { path.removeLast() }
        return path
    }

    mutating func add(
        _ program: UInt32, _ folder: [UInt8], on host: HostID, node: UInt32, _ access: Access,
        _ detail: EdgeDetail
    ) {
        let place = Place(host: host, path: Self.trimmed(folder))
        folders[place, default: Folder(node: node)].users.append((program, access, detail))
    }

    /// Adds the edges that follow.
    func resolve(_ builder: inout GraphBuilder) {
        guard !isEmpty else { return }
        var above: [UInt32: [Folder]] = [:]
        var pairs = 0
        let rows = builder.edges.count
        for row in 0..<rows where builder.edges.marks[row].link == .file {
            let file = builder.edges.to[row]
            if above[file] != nil { continue }
            let found = folders(above: file, builder.nodes)
            above[file] = found
            pairs += found.reduce(0) { $0 + $1.users.count }
        }
        if pairs <= most {
            for (file, folders) in above.sorted(by: { $0.key < $1.key }) {
                for folder in folders {
                    for user in folder.users {
                        builder.edges.append(
                            user.program, file, EdgeMark(.file, access: user.access, evidence: .inferred),
                            user.detail)
                    }
                }
            }
        } else {
            resolveByFolder(above, rows, &builder)
        }
    }

    /// Lets all users of paths below a folder use the folder.
    private func resolveByFolder(_ above: [UInt32: [Folder]], _ rows: Int, _ builder: inout GraphBuilder) {
        struct Use: Hashable {
            let program: UInt32
            let folder: UInt32
        }
        var uses: [Use: Access] = [:]
        for row in 0..<rows where builder.edges.marks[row].link == .file {
            let access = builder.edges.marks[row].access
            for folder in above[builder.edges.to[row]] ?? [] {
                // Executing one file and reading another is more than executing.
                let use = Use(program: builder.edges.from[row], folder: folder.node)
                uses[use, default: []].formUnion(access.isExecution ? [] : access.subtracting(.executed))
            }
        }
        for (use, access) in uses.sorted(by: {
            ($0.key.program, $0.key.folder) < ($1.key.program, $1.key.folder)
        }) {
            let mark = EdgeMark(.file, access: access.isEmpty ? .executed : access, evidence: .inferred)
            builder.edges.append(use.program, use.folder, mark, EdgeDetail())
        }
    }

    /// The folders at or above a file, but for the one that it stands for itself.
    private func folders(above file: UInt32, _ nodes: borrowing NodeTable) -> [Folder] {
        let host = HostID(rawValue: nodes.tag(file) >> 3)
        return nodes.withText(file) { text in
            let path = Self.trimmed(text)
            var found: [Folder] = []
            for end in path.indices where path[end] == UInt8(ascii: "/") {
                if let folder = folders[Place(host: host, path: Array(path[..<end]))] { found.append(folder) }
            }
            if !path.isEmpty, let folder = folders[Place(host: host, path: path)] { found.append(folder) }
            return found.filter { $0.node != file }
        }
    }
}

extension GraphBuilder {
    /// Adds a folded record: a program's uses of paths below a folder that were not kept one by one.
    mutating func addFolded(
        _ program: UInt32, _ folder: [UInt8], on host: HostID, access: Access, _ detail: EdgeDetail
    ) {
        let node = FoldedFolders.nodePath(folder).withUnsafeBytes { internFile($0, on: host) }
        // It was one file after the other; which of them was executed nobody knows.
        let access = access.isExecution ? access : access.subtracting(.executed)
        edges.append(program, node, EdgeMark(.file, access: access, evidence: .inferred), detail)
        folded.add(program, folder, on: host, node: node, access, detail)
    }
}
