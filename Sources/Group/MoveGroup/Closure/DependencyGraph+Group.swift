extension DependencyGraph {
    /// Everything that has to move with some nodes.
    public func moveGroup(of start: [NodeID], _ options: ClosureOptions = ClosureOptions()) -> MoveGroup {
        Closure.group(of: start, in: self, options)
    }
}
