"""Several processes that train one captcha network, on TensorFlow's distributed runtime."""
AGAIN = 138  # exit status: start this process again; Kubeflow's TFJob takes it so, too
