"""Never reached: encode is caught before."""
