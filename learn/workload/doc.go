// Package workload has the trainings by which fedtab's speed in browsers is measured, and
// repeats them: the 2NN and the CNN of the tasks mnist-2nn and mnist-cnn, on images of
// MNIST or on inputs without zeros. The browser benchmark (fedtab/e2e/bench) and the page
// /bench (role bench of fedtab/wasm) train the same jobs by the same steps. The caller
// has the clock.
package workload
