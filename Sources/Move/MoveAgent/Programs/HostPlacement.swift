import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls
import Text
import Transfer

/// What a move puts at the host's own root, and takes back from there.
///
/// What was brought lies below a root of its own, in the folder of the agent's state. From there each file, or each whole folder,
/// that the host has not is *renamed* to its place, and renamed back by the inverse. So what was done can be seen after a crash at
/// any moment: what lies below the one root does not lie below the other. What the programs have made of it meanwhile, and made in
/// folders of theirs, goes back with it; nothing else at the host is touched.
///
/// Where a file takes the place of another one both are exchanged, which the inverse does again. On another filesystem a copy
/// is made beside its place first, in a folder that root alone can enter, and the inverse removes it.
struct HostPlacement: Equatable {
    /// One file, or one folder with all that is in it.
    struct Item: Equatable {
        /// Its path below both roots.
        var path: [UInt8]
        /// Of one that takes the place of another one: its inode, by which it is distinguished from that; 0 for any other. Not the device,
        /// which may have another number after a reboot.
        var inode: UInt64 = 0
        /// Path of the folder beside its place that has the copy, on another filesystem; empty for none.
        var copy: [UInt8] = []
        /// Where the copy is in it.
        var content: [UInt8] { copy + Array("/content".utf8) }
    }

    /// Where what was brought lies.
    let staged: String
    /// In the order in which they are put.
    var items: [Item] = []
    /// Whether all copies were made.
    var isCopied = false

    init(staged: String) { self.staged = staged }

    // MARK: As JSON

    var value: JSONValue {
        .object([
            .init(
                "items",
                .array(
                    items.map {
                        .array([
                            .string(PlanText.text($0.path)), .integer(Int128($0.inode)),
                            .string(PlanText.text($0.copy)),
                        ])
                    })),
            .init("copied", .boolean(isCopied)),
        ])
    }

    init?(_ value: JSONValue, staged: String) {
        self.init(staged: staged)
        guard let items = value["items"]?.array else { return nil }
        for item in items {
            guard let parts = item.array, parts.count == 3,
                let path = parts[0].string.flatMap({ PlanText.bytes($0) }),
                let inode = parts[1].integer.flatMap({ UInt64(exactly: $0) }),
                let copy = parts[2].string.flatMap({ PlanText.bytes($0) })
            else { return nil }
            self.items.append(Item(path: path, inode: inode, copy: copy))
        }
        isCopied = value["copied"] == .boolean(true)
    }

    // MARK: What has to be put

    /// Finds out what of the brought files has no place yet.
    ///
    /// - Parameters:
    ///   - name: the move's, which the names of copies have.
    ///   - replaces: whether a file that differs gives way.
    ///   - yielding: files that do in any case.
    /// - Throws: what is at the host already, and differs.
    init(
        of staged: String, for name: String, replaces: Bool, yielding: Set<[UInt8]> = []
    ) throws(MoveError) {
        self.init(staged: staged)
        var brought = FileScan(root: staged)
        guard let own = Self.status(Array(staged.utf8)) else { throw MoveError("\(staged) is not there") }
        let paths: [[UInt8]]
        do throws(SystemError) { paths = try RootFolder(staged).paths().sorted(by: PathOrder.precedes) } catch
        {
            throw MoveError("\(staged): \(error)")
        }
        var refused: [String] = []
        // Folders of which all was decided.
        var closed: Set<[UInt8]> = []
        for path in paths {
            guard let entry = brought.look(at: path)?.entry else { continue }
            let isFolder = entry.kind == .folder
            if closed.contains(Self.parent(of: path)) {
                if isFolder { closed.insert(path) }
                continue
            }
            if let reason = Self.reserved(path, staged) {
                refused.append(reason)
                if isFolder { closed.insert(path) }
                continue
            }
            // Of the folder: an overlay's files have other devices than that (overlayfs, "Inode properties").
            let device = Self.status(Self.parent(of: path))?.st_dev
            guard let there = Self.status(path) else {
                var item = Item(path: path)
                if device != own.st_dev {
                    item.copy = Self.beside(path, name, items.count)
                    if Self.status(item.copy) != nil {
                        refused.append("\(Printable.text(item.copy)) is there, of an earlier move: remove it")
                    }
                }
                items.append(item)
                if isFolder { closed.insert(path) }
                continue
            }
            let isFolderThere = there.st_mode & S_IFMT == S_IFDIR
            if isFolder && isFolderThere { continue }
            if isFolder { closed.insert(path) }
            if isFolder || isFolderThere {
                refused.append("\(Printable.text(path)) is \(isFolderThere ? "a folder" : "no folder") here")
            } else if !replaces, !yielding.contains(path) {
                refused.append("\(Printable.text(path)) is here already, and differs")
            } else if device != own.st_dev {
                refused.append(
                    "\(Printable.text(path)) is here already, on another filesystem than the agent's state: it cannot be replaced"
                )
            } else {
                let inode = Self.status(Array(staged.utf8) + path)?.st_ino ?? 0
                items.append(Item(path: path, inode: UInt64(inode)))
            }
        }
        guard refused.isEmpty else {
            let more = refused.count > 8 ? "; and \(refused.count - 8) more" : ""
            throw MoveError(refused.prefix(8).joined(separator: "; ") + more)
        }
    }

    /// Why nothing is ever put at a path; `nil` for most.
    private static func reserved(_ path: [UInt8], _ staged: String) -> String? {
        for folder in ["/proc", "/sys", "/dev"] where path.starts(with: Array((folder + "/").utf8)) {
            return "\(Printable.text(path)) belongs to the kernel"
        }
        // The state's folder has the cells' folder in it, that the cell's, and that the root.
        let parts = staged.utf8.split(separator: UInt8(ascii: "/"))
        let state = parts.dropLast(3).flatMap { [UInt8(ascii: "/")] + $0 }
        guard !state.isEmpty, path.starts(with: state + [UInt8(ascii: "/")]) else { return nil }
        return "\(Printable.text(path)) is the agent's own"
    }

    private static func beside(_ path: [UInt8], _ name: String, _ number: Int) -> [UInt8] {
        let folder = parent(of: path)
        return (folder.count == 1 ? [] : folder) + Array("/.retinue-\(name)-\(number)".utf8)
    }

    private static func parent(of path: [UInt8]) -> [UInt8] {
        let slash = path.lastIndex(of: UInt8(ascii: "/")) ?? 0
        return slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
    }

    /// Links are not followed.
    private static func status(_ path: [UInt8]) -> stat? {
        var status = stat()
        return lstat(path.map { CChar(bitPattern: $0) } + [0], &status) == 0 ? status : nil
    }

    // MARK: Putting it, and taking it back

    /// Makes the copies for other filesystems, and has them written to the disk.
    ///
    /// Whoever may write in the folder of a place could put a link in the way between two looks at a path. So the copy is made
    /// below a descriptor of a folder that root alone can enter.
    func copy() throws(MoveError) {
        for item in items where !item.copy.isEmpty {
            guard let from = String(validating: Array(staged.utf8) + item.path, as: UTF8.self) else {
                throw MoveError("\(Printable.text(item.path)): no UTF-8, on another filesystem")
            }
            let folder: FileDescriptor
            do throws(TransferError) {
                var host = try Self.open("/")
                folder = try host.makeOwnFolder(item.copy)
            } catch { throw MoveError(error) }
            let to = "/proc/\(getpid())/fd/\(folder.number)/content"
            try Tool.need(["cp", "-a", "-T", "--", from, to], seconds: 86400)
            guard syncfs(folder.number) == 0 else {
                throw MoveError("\(Printable.text(item.copy)): \(SystemError("syncfs"))")
            }
            Fault.pass("copy")
        }
    }

    /// Whether any of it has to be copied.
    var needsCopies: Bool { items.contains { !$0.copy.isEmpty } }

    /// Puts all of it; the list of it is in the journal.
    func put() throws(MoveError) {
        try withRoots { staged, host throws(TransferError) in
            for item in items {
                if item.copy.isEmpty {
                    try RootFolder.rename(
                        item.path, in: &staged, to: item.path, in: &host, item.inode == 0 ? .fresh : .exchange
                    )
                } else {
                    // It is the only one at the host's root of which nothing is staged.
                    var beside = try Self.open("/")
                    try RootFolder.rename(item.content, in: &beside, to: item.path, in: &host)
                    try host.removeFile(item.copy)
                }
                Fault.pass("put")
            }
            do throws(SystemError) {
                try host.sync()
                try staged.sync()
            } catch { throw .file(Array(self.staged.utf8), error) }
        }
    }

    /// Takes back whatever of it was put, the last first; may be done again.
    func takeBack() throws(MoveError) {
        try withRoots { staged, host throws(TransferError) in
            for item in items.reversed() {
                if !item.copy.isEmpty {
                    try takeBackCopy(item, &host)
                } else {
                    try takeBack(item, &staged, &host)
                }
                Fault.pass("take-back")
            }
            do throws(SystemError) { try host.sync() } catch { throw .file([UInt8(ascii: "/")], error) }
        }
    }

    private func takeBack(
        _ item: Item, _ staged: inout RootFolder, _ host: inout RootFolder
    ) throws(TransferError) {
        let below = Self.status(Array(self.staged.utf8) + item.path)
        let isThere = Self.status(item.path) != nil
        if item.inode == 0 {
            guard below == nil, isThere else { return }
            return try RootFolder.rename(item.path, in: &host, to: item.path, in: &staged)
        }
        // It was not exchanged.
        guard let below, UInt64(below.st_ino) != item.inode else { return }
        try RootFolder.rename(
            item.path, in: &staged, to: item.path, in: &host, isThere ? .exchange : .fresh)
    }

    /// As long as the copies were not all made none of them was renamed.
    private func takeBackCopy(_ item: Item, _ host: inout RootFolder) throws(TransferError) {
        if isCopied, Self.status(item.content) == nil {
            try host.removeFile(item.copy)
            guard Self.status(item.path) != nil else { return }
            var beside = try Self.open("/")
            try RootFolder.rename(item.path, in: &host, to: item.copy, in: &beside)
        }
        try host.removeFile(item.copy)
    }

    /// Once it stays for good: moves the files that gave way aside, and removes the folders that are left of what was brought.
    ///
    /// - Returns: where the files that gave way are; `nil` where there are none.
    func settle() throws(MoveError) -> String? {
        guard (try? RootFolder(staged).paths().isEmpty) == false else { return nil }
        guard items.contains(where: { $0.inode != 0 }) else {
            do throws(TransferError) {
                var inside = try Self.open(staged)
                let tops = inside.paths().filter { $0.count { $0 == UInt8(ascii: "/") } == 1 }
                for path in tops { try inside.removeFile(path) }
            } catch { throw MoveError(error) }
            return nil
        }
        let folder = staged.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        var number = 1
        while access("\(folder)/replaced-\(number)", F_OK) == 0 { number += 1 }
        guard rename(staged, "\(folder)/replaced-\(number)") == 0, mkdir(staged, 0o755) == 0 else {
            throw MoveError("\(staged): \(SystemError.text(of: errno))")
        }
        return "\(folder)/replaced-\(number)"
    }

    private static func open(_ path: String) throws(TransferError) -> RootFolder {
        do throws(SystemError) { return try RootFolder(path) } catch { throw .file(Array(path.utf8), error) }
    }

    private func withRoots(
        _ body: (inout RootFolder, inout RootFolder) throws(TransferError) -> Void
    ) throws(MoveError) {
        do throws(TransferError) {
            var below = try Self.open(staged)
            var host = try Self.open("/")
            try body(&below, &host)
        } catch { throw MoveError(error) }
    }
}
