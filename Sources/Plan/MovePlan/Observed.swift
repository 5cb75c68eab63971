/// What the records say of a host's members, as the plan takes it in.
public struct ObservedHost: Sendable {
    /// A file that members used.
    public struct File: Sendable {
        /// Its path, free of symbolic links.
        public var path: [UInt8]
        /// Whether it was opened at all as a file; a folder is listed.
        public var isFolder = false
        /// Whether a member wrote it, and whether it was written lately.
        public var isWritten = false
        /// See `isWritten`.
        public var isBusy = false
        /// Whether it was executed or loaded.
        public var isExecuted = false
        /// How it is known.
        public var ground: Basis = .exact
        /// When a member was first seen to open it, nanoseconds since 1970; 0 if no record states it.
        public var first: UInt64 = 0
        /// A member that used it, for reasons.
        public var user: [UInt8] = []

        /// A file that was read.
        public init(path: [UInt8]) { self.path = path }
    }

    /// The plan so far: host, programs, ports and endpoints.
    public var plan: HostPlan
    /// The files of the members.
    public var files: [File]

    /// Folders in which, however deep, programs write that do not move.
    public var foldersOfOthers: Set<[UInt8]> = []

    /// Makes one.
    public init(plan: HostPlan, files: [File]) {
        self.plan = plan
        self.files = files
    }
}
