import CLinux
import Glibc
import Procfs
import Records
import SystemCalls
import Transfer

/// criu(8), once for each tree that it has written down and keeps stopped, until it is decided where all of them live.
///
/// Its post-dump script asks for the decision: until it has ended, nothing of the tree runs, and its connections are as they were.
/// It outlives the agent, which finds it again.
///
/// Trees are written down one after the other. Each stays stopped from then on, so that together they are what they were when the last
/// one was stopped: for the others that is as if they had had no processor for a while.
struct LiveDump {
    let folder: String
    var images: String { folder + "/images" }
    private var decision: String { folder + "/decision" }
    private var keeper: String { folder + "/keeper" }
    /// Memory as it was read while the trees ran.
    var ahead: String { folder + "/ahead" }
    /// A folder that is made once: by the agent that gives the service up, or by the keeper that does not wait for it any longer.
    private var claimed: String { folder + "/claim" }
    private var noted: String { folder + "/pids" }

    /// What is of one tree.
    struct Tree {
        let number: Int
        let folder: String
        var images: String { LiveDump.images(below: folder + "/images", number) }
        /// By the name that it has below the folder.
        var script: String { "\(number).script" }
        var log: String { "\(number).log" }
        /// Made when it is stopped.
        var reached: String { "\(folder)/\(number).reached" }
        /// Made where its memory is not all in the images.
        var left: String { "\(folder)/\(number).left" }
        /// Which process criu is.
        var criu: String { "\(folder)/\(number).criu.json" }
        var paths: [String] { [folder + "/" + script, folder + "/" + log, reached, left, criu] }
    }

    /// The images of a tree, of all that are in a folder.
    static func images(below folder: String, _ number: Int) -> String { "\(folder)/\(number)" }

    /// How many trees' images there are in a folder.
    static func count(below folder: String) -> Int {
        var count = 0
        while access(images(below: folder, count), F_OK) == 0 { count += 1 }
        return count
    }

    func tree(_ number: Int) -> Tree { Tree(number: number, folder: folder) }

    /// Those that criu was started for.
    private var trees: [Tree] {
        var found: [Tree] = []
        while access(tree(found.count).criu, F_OK) == 0 { found.append(tree(found.count)) }
        return found
    }

    /// Seconds after `within` that an agent has to undo it itself.
    private static let grace: UInt64 = 5

    /// Lays out what `begin` needs.
    ///
    /// - Parameters:
    ///   - count: how many trees there are.
    ///   - within: seconds after which they go on by themselves, if nothing was decided and the service not given up.
    ///   - table: of nftables, which goes then.
    ///   - cell: where they run, in which there may be no shell; `nil` for the host itself.
    func prepare(
        _ count: Int, within: UInt64, table: String, in cell: LiveCell?
    ) throws(MoveError) {
        try lay([folder, images])
        for path in [decision, noted, keeper] + trees.flatMap(\.paths) { unlink(path) }
        rmdir(claimed)
        clearImages()
        try write(keeperText(seconds: within + Self.grace, table: table), to: keeper, mode: 0o700)
        let shell = try cell?.shell() ?? ("#!/bin/sh\n", "exec /bin/sh")
        for number in 0..<count {
            let tree = tree(number)
            for path in tree.paths { unlink(path) }
            try lay([tree.images])
            try write(
                """
                \(shell.0)[ "$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
                \(shell.1) '\(keeper)' '\(tree.reached)'

                """, to: folder + "/" + tree.script, mode: 0o700)
        }
    }

    /// Makes folders, unless they are there.
    func lay(_ folders: [String]) throws(MoveError) {
        for path in folders {
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw MoveError("\(path): \(SystemError.text(of: errno))")
            }
        }
    }

    private func write(_ text: String, to path: String, mode: mode_t) throws(MoveError) {
        do throws(SystemError) {
            try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
                .writeAll(Array(text.utf8))
        } catch { throw MoveError("\(path): \(error)") }
    }

    /// What the post-dump script of each tree becomes, with the path of what it makes when it begins. One of them claims that they
    /// go on by themselves, and decides it for all.
    private func keeperText(seconds: UInt64, table: String) -> String {
        """
        PATH=/usr/sbin:/usr/bin:/sbin:/bin
        read now rest < /proc/uptime
        limit=$((${now%.*} + \(seconds)))
        : > "$1"
        while [ ! -s '\(decision)' ]; do
            sleep 0.005
            read now rest < /proc/uptime
            [ "${now%.*}" -gt "$limit" ] && [ ! -d '\(claimed)' ] && mkdir '\(claimed)' || continue
            nft delete table inet '\(table)'
            echo '1 wake' > '\(decision).kept'
            mv '\(decision).kept' '\(decision)'
        done
        read answer wakes < '\(decision)'
        [ -n "$wakes" ] && [ -s '\(noted)' ] && read pids < '\(noted)' && kill -CONT $pids
        exit "$answer"

        """
    }

    /// Whether the service may be given up: the tree has not gone on by itself, and never will.
    func claim() -> Bool { mkdir(claimed, 0o700) == 0 }

    /// Which processes were stopped by SIGSTOP too, by the numbers that they have themselves: the keeper wakes them where it lets the
    /// tree go on.
    func note(_ pids: [Int32]) throws(MoveError) {
        try write(pids.map(String.init).joined(separator: " ") + "\n", to: noted, mode: 0o600)
    }

    /// Descriptors that criu needs beside those by which it keeps pages where they are: two of a pipe, which has 256 pages at least.
    private static let ownDescriptors: UInt64 = 4096

    /// How many descriptors criu may have.
    private static var mostDescriptors: UInt64 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt64(limit.rlim_max)
    }

    /// Whether criu may have as many descriptors as it needs to leave so many bytes of memory where they are.
    static func mayLeave(_ bytes: UInt64) -> Bool {
        bytes / PageMap.page / 128 + ownDescriptors <= mostDescriptors
    }

    /// Writes a tree down; when this returns it is stopped.
    ///
    /// - Parameters:
    ///   - tree: which, of those that `prepare` has made room for.
    ///   - alone: whether there is no other one; else all have the namespace of System V objects in common, which then has none.
    ///   - hasObjects: whether the tree's System V objects, which are its namespace's, come with it.
    ///   - leavesMemory: whether memory without a file is left where it is, and only named in the images (`--lazy-pages`, which
    ///     holds it by pipes): it is read there as long as the tree is stopped.
    func begin(
        _ tree: Tree, _ leader: Int32, in cell: LiveCell?, alone: Bool, hasObjects: Bool, leavesMemory: Bool,
        seconds: UInt64
    ) throws(MoveError) {
        let criu = try Criu()
        for path in [tree.reached, tree.criu] { unlink(path) }
        if leavesMemory { try write("", to: tree.left, mode: 0o600) } else { unlink(tree.left) }
        func words(_ root: String, _ place: String, _ number: Int32) -> [String] {
            criu.words(
                below: root,
                [
                    "dump", "-t", "\(number)", "-D", Self.images(below: place + "/images", tree.number), "-o",
                    "\(place)/\(tree.log)", "-v2", "--tcp-established", "--file-locks", "--network-lock",
                    "skip",
                    "--action-script", "\(place)/\(tree.script)",
                ]
                    // Nobody asks criu for pages: it ends at once where it would serve them, since that is no socket.
                    + (leavesMemory ? ["--lazy-pages", "--ps-socket", "0"] : []))
        }
        var launch: Launch
        if let cell {
            launch = try cell.launch(
                words(LiveCell.criu, LiveCell.folder, NamespaceNumber.of(leader)), criu, folder,
                joinsObjects: !alone)
        } else {
            launch = Launch(words(criu.tree, folder, leader))
        }
        defer { cell?.leave() }
        if leavesMemory {
            let most = Self.mostDescriptors
            launch.limits.append(
                ProcessLimit(resource: Int32(RLIMIT_NOFILE.rawValue), soft: most, hard: most))
        }
        // What is in another namespace than criu is written down whole.
        if hasObjects { launch.unshared = Int32(clinux_CLONE_NEWIPC) }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        (launch.input, launch.output) = (null, null)
        let pid = try launch.start()
        let start = ProcessDirectory(pid)?.status()?.startTicks ?? 0
        try SafeFile.write(
            .object([.init("pid", .integer(Int128(pid))), .init("start", .integer(Int128(start)))]),
            to: tree.criu)
        let limit = Clock.monotonic() + seconds * 1_000_000_000
        while access(tree.reached, F_OK) != 0 {
            guard Self.lives(tree) else {
                waitpid(pid, nil, WNOHANG)
                throw MoveError(
                    "criu cannot write the programs down: \(Criu.errors("\(folder)/\(tree.log)"))")
            }
            guard Clock.monotonic() < limit else { throw MoveError("criu is not done in \(seconds) s") }
            usleep(1_000)
        }
    }

    /// Whether any criu, and its script with it, still waits for a decision.
    var lives: Bool { trees.contains(where: Self.lives) }

    static func lives(_ tree: Tree) -> Bool {
        guard let known = SafeFile.read(tree.criu),
            let pid = known["pid"]?.integer.flatMap({ Int32(exactly: $0) }),
            let start = known["start"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { return false }
        return Members.lives(.init(pid: pid, parent: 0, start: start, program: 0))
    }

    /// Whether criu lets a tree go on in the end whatever was decided, so that what is to end has to be ended before.
    var leavesMemory: Bool { trees.contains { access($0.left, F_OK) == 0 } }

    /// Says whether the trees end here, since they live elsewhere, or go on; when this returns criu has done so.
    func decide(ends: Bool) {
        guard access(folder, F_OK) == 0 else { return }
        let aside = decision + ".new"
        do throws(MoveError) { try write(ends ? "0\n" : "1\n", to: aside, mode: 0o600) } catch {
            Diagnostics.say("\(error)")
        }
        rename(aside, decision)
        let limit = Clock.monotonic() + 60_000_000_000
        while lives, Clock.monotonic() < limit { usleep(1_000) }
        clear()
    }

    private var aside: String { folder + "/aside" }

    /// Has no images any more that were kept.
    func clearAside() { Self.removeImages(in: aside) }

    /// Keeps the images where no decision removes them, and no further one writes; returns the folder.
    func setAside() throws(MoveError) -> String {
        clearAside()
        guard rename(images, aside) == 0 else {
            throw MoveError("\(images): \(SystemError.text(of: errno))")
        }
        return aside
    }

    /// Images have all of the programs' memory: they do not stay.
    func clear() {
        MemoryAhead.remove(ahead)
        clearImages()
    }

    /// Has no more of what was written down of a tree.
    func clear(_ tree: Tree) throws(MoveError) {
        MemoryAhead.remove(tree.images)
        try lay([tree.images])
    }

    private func clearImages() { Self.removeImages(in: images) }

    /// Removes what is in a folder of images, of however many trees.
    static func removeImages(in folder: String) {
        guard let inside = try? RootFolder(folder) else { return }
        for path in inside.paths().sorted(by: { $1.lexicographicallyPrecedes($0) }) {
            let name = folder + String(decoding: path, as: UTF8.self)
            if unlink(name) != 0 { rmdir(name) }
        }
    }

    /// Paths below a folder, and the bytes that they have.
    static func files(below root: String) throws(MoveError) -> (paths: [[UInt8]], bytes: UInt64) {
        var inside: RootFolder
        do throws(SystemError) { inside = try RootFolder(root) } catch {
            throw MoveError("\(root): \(error)")
        }
        let paths = inside.paths().sorted(by: { $0.lexicographicallyPrecedes($1) })
        return (paths, size(of: paths, below: root))
    }

    static func size(of paths: [[UInt8]], below root: String) -> UInt64 {
        paths.reduce(0) { bytes, path in
            var status = stat()
            guard lstat(root + String(decoding: path, as: UTF8.self), &status) == 0 else { return bytes }
            return bytes + UInt64(status.st_blocks) * 512
        }
    }
}
