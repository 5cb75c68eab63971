/// In which order files are fetched that nobody asks for.
enum FetchOrder {
    /// Each path once.
    ///
    /// - Parameters:
    ///   - open: what the programs had open when they were stopped.
    ///   - observed: what they opened while they were observed, the first ones first.
    static func paths(open: [[UInt8]], observed: [[UInt8]]) -> [[UInt8]] {
        var seen: Set<[UInt8]> = []
        return (open + observed).filter { seen.insert($0).inserted }
    }
}
