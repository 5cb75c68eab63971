/// What this kernel and these privileges allow.
public struct KernelProbe: Sendable {
    /// One thing that was looked for.
    public struct Finding: Sendable {
        /// What it is, in a few words.
        public var name: String
        /// Whether it can be used.
        public var isAvailable: Bool
        /// Whether the daemon cannot do without it.
        public var isNeeded: Bool
        /// What was found.
        public var detail: String
        /// What to do if it is not available; empty where nothing can be done.
        public var remedy: String

        /// Makes a finding.
        public init(name: String, isAvailable: Bool, isNeeded: Bool, detail: String, remedy: String) {
            self.name = name
            self.isAvailable = isAvailable
            self.isNeeded = isNeeded
            self.detail = detail
            self.remedy = remedy
        }
    }

    /// Everything that was looked for.
    public var findings: [Finding]
    /// The kernel's release.
    public var kernel: String

    /// Puts findings together.
    public init(findings: [Finding], kernel: String) {
        self.findings = findings
        self.kernel = kernel
    }
}
