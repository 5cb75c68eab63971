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
public enum FileKind: Equatable, Sendable {
    /// A file with contents.
    case regular
    /// A directory.
    case directory
    /// A symbolic link.
    case symbolicLink
    /// A socket, a pipe or a device.
    case other
}
