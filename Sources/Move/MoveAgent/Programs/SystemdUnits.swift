import Glibc
import Records

/// Units of systemd by which programs run at the host itself (systemctl(1)).
enum SystemdUnits {
    /// Whether systemd is process 1 (sd_booted(3)).
    static var isBooted: Bool { access("/run/systemd/system", F_OK) == 0 }

    /// Those of some units that are started at boot; none where there is no systemctl(1).
    static func enabled(_ units: [String]) -> [String] {
        guard Tool.exists("systemctl") else { return [] }
        return units.filter {
            let outcome = try? Tool.run(["systemctl", "--root=/", "is-enabled", "--", $0], seconds: 30)
            return outcome?.output.split(separator: "\n").last == "enabled"
        }
    }

    /// Has them started at boot, or not any more. Works on the files alone, whether systemd runs or not.
    static func enable(_ units: [String], _ isOn: Bool) throws(MoveError) {
        guard !units.isEmpty else { return }
        try Tool.need(["systemctl", "--root=/", isOn ? "enable" : "disable", "--"] + units)
        if isBooted { try reload() }
    }

    /// Has systemd look at the unit files again.
    static func reload() throws(MoveError) { try Tool.need(["systemctl", "daemon-reload"], seconds: 90) }

    static func start(_ units: [String]) throws(MoveError) {
        try Tool.need(["systemctl", "start", "--"] + units, seconds: 120)
    }

    static func stop(_ units: [String], within seconds: Double) throws(MoveError) {
        try Tool.need(["systemctl", "stop", "--"] + units, seconds: seconds + 30)
    }

    /// Whether all of them run.
    static func run(_ units: [String]) -> Bool {
        units.allSatisfy {
            (try? Tool.run(["systemctl", "is-active", "--quiet", "--", $0], seconds: 30))?.status == 0
        }
    }

    /// Whether a text can be the name of a unit (systemd.unit(5)): what comes from another host is an argument of a program.
    static func isName(_ text: String) -> Bool {
        let marks = Set(":-_.\\@".utf8)
        return !text.isEmpty && text.utf8.count < 256 && text.utf8.first != UInt8(ascii: "-")
            && [".service", ".socket"].contains { text.hasSuffix($0) }
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (97...122).contains($0 | 32) || marks.contains($0)
            }
    }

    /// The last lines that they have logged.
    static func lastWords(_ units: [String]) -> String {
        let words = ["journalctl", "-n", "4", "-o", "cat", "--no-pager"] + units.flatMap { ["-u", $0] }
        return (try? Tool.run(words, seconds: 10))?.output ?? ""
    }
}
