/// Units, timers and cron tables that start members, and the files that they name.
struct ServiceFiles {
    private let tree: HostTree
    /// Where systemd looks for units (systemd.unit(5)), the first one that has a name decides.
    private static let folders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ].map { Array($0.utf8) }

    init(_ tree: HostTree) { self.tree = tree }

    /// The unit of a control group (`system.slice/nginx.service`), with its drop-ins, and what it names: environment files,
    /// and its timer.
    func units(of workload: [UInt8]) -> (services: [PlannedService], named: [(path: [UInt8], by: String)]) {
        let name =
            workload.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) }
            ?? ""
        guard name.hasSuffix(".service") else { return ([], []) }
        var services: [PlannedService] = []
        var named: [(path: [UInt8], by: String)] = []
        for (kind, unit) in [
            ("unit", name), ("timer", name.dropLast(".service".count) + ".timer"),
            ("unit", name.dropLast(".service".count) + ".socket"),
        ] {
            let files = files(of: String(unit))
            guard !files.isEmpty else { continue }
            services.append(PlannedService(kind: kind, name: String(unit), files: files))
            for file in files {
                for line in Self.settings(tree.contents(file) ?? []) where line.key == "EnvironmentFile" {
                    let path = line.value.hasPrefix("-") ? String(line.value.dropFirst()) : line.value
                    if path.hasPrefix("/"), !path.contains("%") {
                        named.append((Array(path.utf8), "EnvironmentFile of \(unit)"))
                    }
                }
            }
        }
        return (services, named)
    }

    /// The file of a unit, or its template's, and its drop-ins.
    private func files(of unit: String) -> [[UInt8]] {
        var names = [unit]
        if let at = unit.firstIndex(of: "@"), let dot = unit.lastIndex(of: "."), at < dot {
            names.append(String(unit[...at]) + String(unit[dot...]))
        }
        var files: [[UInt8]] = []
        for name in names {
            let places = Self.folders.map { $0 + Array("/\(name)".utf8) }
            if files.isEmpty, let place = places.first(where: { tree.status($0) != nil }) {
                files.append(place)
                // An alias is a link to the unit.
                if let end = tree.way(place).end, end != place { files.append(end) }
            }
        }
        guard !files.isEmpty else { return [] }
        for name in names {
            for folder in Self.folders {
                let dropIns = folder + Array("/\(name).d".utf8)
                for file in tree.names(in: dropIns) where file.suffix(5).elementsEqual(".conf".utf8) {
                    files.append(dropIns + [UInt8(ascii: "/")] + file)
                }
            }
        }
        return files
    }

    /// `Key=value` lines of a unit; a line that a backslash ends goes on.
    static func settings(_ bytes: [UInt8]) -> [(key: String, value: String)] {
        let text = String(decoding: bytes, as: UTF8.self).replacing("\\\n", with: " ")
        return text.split(separator: "\n").compactMap { line in
            guard let equals = line.firstIndex(of: "="), line.first != "#", line.first != ";" else {
                return nil
            }
            func trimmed(_ part: Substring) -> String {
                String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            return (trimmed(line[..<equals]), trimmed(line[line.index(after: equals)...]))
        }
    }

    /// Cron entries (crontab(5)) whose command names one of some paths.
    func cron(naming paths: Set<[UInt8]>) -> [PlannedService] {
        var tables = [Array("/etc/crontab".utf8)]
        for folder in [
            "/etc/cron.d", "/var/spool/cron/crontabs", "/etc/cron.hourly", "/etc/cron.daily",
            "/etc/cron.weekly", "/etc/cron.monthly",
        ] {
            let folder = Array(folder.utf8)
            tables += tree.names(in: folder).map { folder + [UInt8(ascii: "/")] + $0 }
        }
        let separators = Set(" \t;|&<>()\"'`=".utf8)
        var found: [PlannedService] = []
        for table in tables {
            let lines = (tree.contents(table) ?? []).split(
                separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for (number, line) in lines.enumerated() where line.first != UInt8(ascii: "#") {
                guard
                    line.split(whereSeparator: { separators.contains($0) }).contains(where: {
                        paths.contains(Array($0))
                    })
                else { continue }
                found.append(
                    PlannedService(
                        kind: "cron", name: "\(String(decoding: table, as: UTF8.self)):\(number + 1)",
                        files: [table]))
            }
        }
        return found
    }
}
