import SystemCalls
import Text

/// What is to be copied, in the forms in which `retinue transfer` writes it: of a move group, or of a plan.
protocol TransferAnswer {
    /// For people; as wide as the terminal, or as it takes.
    func table(width: Int?) -> String
    /// `retinue-transfer/1`, docs/move-group.md.
    var json: [UInt8] { get }
    /// For programs.
    var csv: [UInt8] { get }
    /// Each path with a NUL behind it.
    var paths: [UInt8] { get }
    /// Refuses what cannot be a list of paths.
    func checkPaths() throws(Failure)
}

extension TransferAnswer {
    /// Paths alone do not say whose they are.
    static func checkOneHost(_ titles: Set<String>) throws(Failure) {
        guard titles.count > 1 else { return }
        throw Failure(
            "paths0 is of one host, and the files are on several: name one by --host",
            details: titles.map(\.printable).sorted(), status: ExitStatus.badInput)
    }
}
