/// How the data that is being written (`final-copy`) is made consistent for its copy.
public struct Consistency: Equatable, Sendable {
    /// The way.
    public enum Way: String, Equatable, Sendable, CaseIterable {
        /// The programs are stopped first, and so nothing is written.
        case stop
        /// The programs are frozen as long as it is copied.
        case freeze
        /// The service's own commands see to it.
        case hook
    }

    /// The way.
    public var way: Way
    /// What is run before the copy, by a shell; where it fails nothing is copied. Empty for none.
    public var before: String
    /// What is run after the copy, whatever became of it. Empty for none.
    public var after: String

    /// Makes one.
    public init(_ way: Way, before: String = "", after: String = "") {
        (self.way, self.before, self.after) = (way, before, after)
    }
}
