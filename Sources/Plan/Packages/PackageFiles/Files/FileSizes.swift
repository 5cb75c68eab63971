import Glibc
internal import SystemCalls

/// How much files take, by kind. Hard links to one file count once, and so does a path given twice.
public struct FileSizes: Equatable, Sendable {
    /// A number of files and their bytes.
    public struct Total: Equatable, Sendable {
        /// How many.
        public var count = 0
        /// Bytes that they hold (`st_size`): what a copy has to read.
        public var apparent: UInt64 = 0
        /// Bytes that they take on their filesystem (`st_blocks` times 512): less where a file has holes or
        /// the filesystem compresses, more by what is left of the last block.
        public var allocated: UInt64 = 0

        /// Adds what two totals hold.
        public static func + (left: Total, right: Total) -> Total {
            Total(
                count: left.count + right.count, apparent: left.apparent &+ right.apparent,
                allocated: left.allocated &+ right.allocated)
        }
    }

    /// Regular files.
    public var regular = Total()
    /// Directories themselves, without what is in them.
    public var directories = Total()
    /// Symbolic links themselves, never what they point to.
    public var symbolicLinks = Total()
    /// Sockets, pipes and devices.
    public var others = Total()
    /// Further names of what was counted already.
    public var repeated = 0
    /// Paths that name nothing.
    public var missing: [[UInt8]] = []
    /// Paths that could not be looked at, or directories that could not be listed.
    public var unreadable: [[UInt8]] = []

    /// Nothing yet.
    public init() {}

    /// Of all kinds.
    public var total: Total { regular + directories + symbolicLinks + others }
}

/// What a path names.
public enum EntryKind: Equatable, Sendable {
    /// A file with contents.
    case regular
    /// A directory.
    case directory
    /// A symbolic link.
    case symbolicLink
    /// A socket, a pipe or a device.
    case other
}

/// Adds up the sizes of files, path by path.
public struct FileMeter: Sendable {
    private struct Identity: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    /// What was measured so far.
    public internal(set) var sizes = FileSizes()

    private let root: FileRoot
    private var counted: Set<Identity> = []

    /// Measures below a root directory.
    public init(root: String = "/") { self.root = FileRoot(root) }

    package init(root: FileRoot) { self.root = root }

    /// The sizes of some files. The corresponding C function is `lstat`.
    public static func measure(_ paths: some Sequence<[UInt8]>, root: String = "/") -> FileSizes {
        var meter = FileMeter(root: root)
        for path in paths { meter.add(path) }
        return meter.sizes
    }

    /// Adds a file; the answer is its kind, or `nil` where there is none or it cannot be looked at.
    @discardableResult
    public mutating func add(_ path: [UInt8]) -> EntryKind? {
        do {
            let status = try root.status(path)
            return add(status, isNameKnownOnce: false)
        } catch {
            if FileRoot.isMissing(error) { sizes.missing.append(path) } else { sizes.unreadable.append(path) }
            return nil
        }
    }

    /// Adds what was looked at.
    ///
    /// - Parameter isNameKnownOnce: whether each name comes once, as in a walk, so that only files with
    ///   several names have to be remembered.
    @discardableResult
    mutating func add(_ status: stat, isNameKnownOnce: Bool) -> EntryKind {
        let kind: EntryKind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        if !isNameKnownOnce || (status.st_nlink > 1 && kind != .directory) {
            let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
            guard counted.insert(identity).inserted else {
                sizes.repeated += 1
                return kind
            }
        }
        // A filesystem can answer anything; a negative size counts as none.
        let one = FileSizes.Total(
            count: 1, apparent: UInt64(max(0, status.st_size)),
            allocated: UInt64(max(0, status.st_blocks)) &* 512)
        switch kind {
        case .regular: sizes.regular = sizes.regular + one
        case .directory: sizes.directories = sizes.directories + one
        case .symbolicLink: sizes.symbolicLinks = sizes.symbolicLinks + one
        case .other: sizes.others = sizes.others + one
        }
        return kind
    }
}
