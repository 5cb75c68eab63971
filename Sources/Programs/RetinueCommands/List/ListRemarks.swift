import Records
import SeedForm

/// What is to be said of a list: what is not in it, and why. Silence means that everything is.
struct ListRemarks {
    let sentences: [String]

    init(
        _ statistics: ListStatistics, _ options: DependencyListBuilder.Options, _ format: ListCommand.Format
    ) {
        var sentences: [String] = []
        let unknown = statistics.unknown
        if unknown.total > 0 {
            let kinds = [
                Self.count(unknown.opens, "open"),
                Self.count(unknown.spawns, "start of a program", "starts of programs"),
                Self.count(unknown.accepts, "accept"), Self.count(unknown.connects, "connect"),
            ].compactMap { $0 }
            let fate = options.namesUnknown ? "named pid:N" : "left out (--name-unknown keeps them)"
            sentences.append("by programs that no record tells, \(fate): \(kinds.joined(separator: ", "))")
        }
        if let pairs = Self.count(statistics.pairsLeftOut, "connection") {
            sentences.append("left out since the program at one of its ends is not known: \(pairs)")
        }
        let unpaired = statistics.unpaired
        if unpaired.total > 0 {
            let kinds = [
                Self.count(unpaired.accepts, "accept"), Self.count(unpaired.connects, "connect"),
            ].compactMap { $0 }
            let fate = format == .list ? "left out (--format records has them)" : "written with the address"
            sentences.append(
                "without their other side in the records, \(fate): \(kinds.joined(separator: ", "))")
        }
        self.sentences = sentences
    }

    private static func count(_ number: UInt64, _ one: String, _ many: String? = nil) -> String? {
        number == 0 ? nil : "\(Quantity.grouped(number)) \(number == 1 ? one : many ?? one + "s")"
    }
}
