/// What went into a list and what did not.
public struct ListStatistics: Hashable, Sendable {
    /// What processes did whose program no record tells.
    public struct Unknown: Hashable, Sendable {
        /// Files opened.
        public var opens: UInt64 = 0
        /// Programs started: an exec of a process that such a one forked.
        public var spawns: UInt64 = 0
        /// Connections taken.
        public var accepts: UInt64 = 0
        /// Connections made.
        public var connects: UInt64 = 0

        /// All together.
        public var total: UInt64 { opens + spawns + accepts + connects }
    }

    /// Accepts and connects without their other side.
    public struct Unpaired: Hashable, Sendable {
        /// Accepts whose connect is in no record.
        public var accepts: UInt64 = 0
        /// Connects whose accept is in no record.
        public var connects: UInt64 = 0

        /// All together.
        public var total: UInt64 { accepts + connects }

        subscript(side: ConnectionTable.Side) -> UInt64 {
            get { side == .accept ? accepts : connects }
            set { if side == .accept { accepts = newValue } else { connects = newValue } }
        }
    }

    /// Records read; lines that were left out are not among them.
    public var records: UInt64 = 0
    /// Connections of which both sides are known.
    public var pairs: UInt64 = 0
    /// Those of them that have no row since the program of a side is not known.
    public var pairsLeftOut: UInt64 = 0
    /// What processes did whose program is not known: left out, or kept under made up names.
    public var unknown = Unknown()
    /// One side of connections.
    public var unpaired = Unpaired()
}
