/// In which order files are brought while the programs run.
public enum CopyOrder: String, Sendable {
    /// Those last that programs were seen to open, in the order in which they first did: they are what programs write, and less of
    /// them is changed behind the copy then.
    case observed
    /// By path.
    case path

    /// - Parameters:
    ///   - paths: each behind the folders above it.
    ///   - observed: files that programs opened, the first ones first (`first_used` of a plan).
    func sorted(_ paths: [[UInt8]], observed: [[UInt8]]) -> [[UInt8]] {
        guard self == .observed, !observed.isEmpty else { return paths }
        let places = Dictionary(observed.enumerated().map { ($1, $0) }) { first, _ in first }
        var used: [(place: Int, path: [UInt8])] = []
        let others = paths.filter { path in
            guard let place = places[path] else { return true }
            used.append((place, path))
            return false
        }
        return others + used.sorted { $0.place < $1.place }.map(\.path)
    }
}
